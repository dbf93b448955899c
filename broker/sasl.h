/*-------------------------------------------------------------------------
 *
 * sasl.h
 *	  Who a client is.
 *
 * IDENTIFICATION
 *	  broker/sasl.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_SASL_H
#define EL_BROKER_SASL_H

/* Logins that are under way are given up. */
extern void sasl_stop(void);

#endif							/* EL_BROKER_SASL_H */
